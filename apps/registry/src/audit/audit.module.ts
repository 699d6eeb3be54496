import { Module } from '@nestjs/common';
import { AuditTrail } from './audit-trail.store.ts';

@Module({ providers: [AuditTrail], exports: [AuditTrail] })
export class AuditModule {}
