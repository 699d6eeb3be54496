import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Config } from '../config.ts';
import { Requires } from './requires.ts';

/** Tells programs where people sign in, and for which audience (RFC 9728 §3.2). There are no scopes: roles are kept here. */
@Requires('anyone')
@ApiExcludeController()
@Controller('.well-known/oauth-protected-resource')
export class ResourceMetadataController {
  constructor(private readonly config: Config) {}

  @Get()
  @Header('Cache-Control', 'public, max-age=60')
  @Header('Access-Control-Allow-Origin', '*')
  describe(): object {
    const { publicUrl, oidcIssuer } = this.config;
    return {
      resource: publicUrl,
      authorization_servers: [oidcIssuer],
      bearer_methods_supported: ['header'],
      resource_name: 'Margo Trust Registry',
      resource_documentation: `${publicUrl}/docs`,
    };
  }
}
