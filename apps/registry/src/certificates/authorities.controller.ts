import { ApprovalRequest, Authority, AuthorityAnnouncement, AuthorityList } from '@margo-trust/wire';
import { encodePem, parsePem } from '@margo-trust/x509';
import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { wireTime } from '../wire-time.ts';
import { AnnounceAuthority } from './announce-authority.ts';
import { AuthorityFault } from './authority.fault.ts';
import { type Authority as Stored, CertificateReader } from './certificate.reader.ts';
import { MoveAuthority } from './move-authority.ts';

/** The registry's CAs and time-stamping authorities, and how one hands over to the next: docs/operations/ceremony.md. */
@ApiTags('authorities')
@Controller('api/v1/authorities')
export class AuthoritiesController {
  constructor(
    private readonly reader: CertificateReader,
    private readonly announce: AnnounceAuthority,
    private readonly move: MoveAuthority,
  ) {}

  @Get()
  @Requires('anyone')
  @Endpoint({ summary: 'The CAs and time-stamping authorities, oldest first', answers: AuthorityList })
  async list(): Promise<AuthorityList> {
    return { items: (await this.reader.authorities()).map(showAuthority) };
  }

  @Get(':name')
  @Requires('anyone')
  @Endpoint({ summary: 'One of them', answers: Authority, refuses: ['authority/not-found'] })
  find(@Param('name') name: string): Promise<Authority> {
    return this.show(name);
  }

  @Post()
  @Requires('governance')
  @Endpoint({
    summary: 'Announce an authority that a ceremony has certified',
    description:
      'It is published and listed in the trust root, and signs nothing until another member activates it. The key of an ' +
      'issuing CA or time-stamping authority must be with the service already.',
    accepts: AuthorityAnnouncement,
    status: 201,
    answers: Authority,
    refuses: ['http/invalid-body', 'x509/malformed', 'authority/key-missing', 'authority/known', 'authority/unfit'],
  })
  async create(
    @Caller() caller: Identity,
    @JsonBody(AuthorityAnnouncement) { certificate, role }: AuthorityAnnouncement,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Authority> {
    const [der = new Uint8Array()] = parsePem('CERTIFICATE', certificate);
    const name = await this.announce.run(caller, der, role);
    response.setHeader('Location', `/api/v1/authorities/${name}`);
    return this.show(name);
  }

  @Post(':name/activation')
  @Requires('governance')
  @Endpoint({
    summary: 'Let a standby authority take over; the one before it is retiring from then on',
    accepts: ApprovalRequest,
    status: 201,
    answers: Authority,
    refuses: [
      'http/invalid-body',
      'authority/not-found',
      'authority/not-published',
      'authority/own-announcement',
      'authority/wrong-state',
    ],
  })
  async activate(
    @Caller() caller: Identity,
    @Param('name') name: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<Authority> {
    await this.move.activate(caller, name, note);
    return this.show(name);
  }

  @Post(':name/retirement')
  @Requires('governance')
  @Endpoint({
    summary: 'Retire an authority: it signs no CRL any more',
    description: 'Once all that it has certified has expired.',
    accepts: ApprovalRequest,
    status: 201,
    answers: Authority,
    refuses: ['http/invalid-body', 'authority/in-use', 'authority/not-found', 'authority/wrong-state'],
  })
  async retire(
    @Caller() caller: Identity,
    @Param('name') name: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<Authority> {
    await this.move.retire(caller, name, note);
    return this.show(name);
  }

  private async show(name: string): Promise<Authority> {
    const found = (await this.reader.authorities()).find((one) => one.name === name);
    if (found === undefined) throw new AuthorityFault('authority/not-found', 'There is no authority of this name.');
    return showAuthority(found);
  }
}

function showAuthority({ name, role, state, since, der, certificate }: Stored): Authority {
  return {
    ...{ name, role, state, since: wireTime(since), subject: certificate.subjectText },
    ...{ notBefore: wireTime(certificate.notBefore), notAfter: wireTime(certificate.notAfter) },
    ...{ fingerprint: certificate.fingerprint, certificate: encodePem('CERTIFICATE', der) },
  };
}
