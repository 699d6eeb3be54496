import { Me } from '@margo-trust/wire';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../http/endpoint.ts';
import { Identity } from './identity.ts';
import { Caller, Requires } from './requires.ts';

@ApiTags('callers')
@Controller('api/v1/me')
export class MeController {
  @Get()
  @Requires('signed-in')
  @Header('Cache-Control', 'no-store')
  @Endpoint({ summary: 'Who am I here?', answers: Me, refuses: ['caller/unauthenticated', 'caller/invalid-token'] })
  me(@Caller() { issuer, subject, memberships }: Identity): Me {
    return { issuer, subject, memberships: [...memberships] };
  }
}
