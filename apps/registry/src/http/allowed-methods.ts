import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Application } from 'express';

/** Which methods a path answers, so that a wrong method is 405 and an unknown path 404. */
@Injectable()
export class AllowedMethods {
  constructor(private readonly host: HttpAdapterHost) {}

  at(path: string): string[] {
    const express = this.host.httpAdapter.getInstance<Application>();
    const methods = new Set<string>();
    for (const layer of express.router.stack as unknown as RouterLayer[]) {
      if (layer.route === undefined || !layer.match(path)) continue;
      for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
    }
    if (methods.has('GET')) methods.add('HEAD');
    return [...methods].sort();
  }
}

/** The part of Express's router that its types leave out. */
interface RouterLayer {
  route?: { methods: Record<string, boolean> };
  match(path: string): boolean;
}
