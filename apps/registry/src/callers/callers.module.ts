import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuditModule } from '../audit/audit.module.ts';
import { AccessTokens } from './access-tokens.ts';
import { CallerGuard } from './caller.guard.ts';
import { MeController } from './me.controller.ts';
import { MemberReader } from './member.reader.ts';
import { MemberStore } from './member.store.ts';
import { ResourceMetadataController } from './resource-metadata.controller.ts';
import { SeatGovernance } from './seat-governance.ts';

@Module({
  imports: [AuditModule],
  controllers: [MeController, ResourceMetadataController],
  providers: [AccessTokens, MemberReader, MemberStore, SeatGovernance, { provide: APP_GUARD, useClass: CallerGuard }],
  exports: [MemberReader, MemberStore, SeatGovernance],
})
export class CallersModule {}
