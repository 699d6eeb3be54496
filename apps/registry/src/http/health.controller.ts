import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { Requires } from '../callers/requires.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';

/** What operators and their machines ask. */
@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** The process answers. Restart it only when this fails. */
  @Get('livez')
  @Requires('anyone')
  @Header('Cache-Control', 'no-store')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Ready to take writes. Reads may go on while this says 503. */
  @Get('readyz')
  @Requires('anyone')
  async ready(@Res() response: Response): Promise<void> {
    const [failures, facts] = await Promise.all([this.readiness.failures(), this.readiness.facts()]);
    const isReady = Object.keys(failures).length === 0;
    response.setHeader('Cache-Control', 'no-store');
    if (!isReady) response.setHeader('Retry-After', '1');
    response
      .status(isReady ? 200 : 503)
      .json({ status: isReady ? 'ok' : 'not ready', ...(!isReady && { failures }), ...facts });
  }

  @Get('metrics')
  @Requires('anyone')
  async figures(@Res() response: Response): Promise<void> {
    response.setHeader('Content-Type', this.metrics.registry.contentType);
    response.end(await this.metrics.registry.metrics());
  }

  /** RFC 9116. */
  @Get('.well-known/security.txt')
  @Requires('anyone')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  @Header('Cache-Control', 'public, max-age=86400')
  securityTxt(): string {
    const expires = new Date(this.clock.now().getTime() + 180 * 86_400_000).toISOString().slice(0, 10);
    const lines = [
      `Contact: ${this.config.securityContact}`,
      `Expires: ${expires}T00:00:00Z`,
      'Preferred-Languages: en, de',
      `Canonical: ${this.config.publicUrl}/.well-known/security.txt`,
    ];
    return `${lines.join('\n')}\n`;
  }
}
