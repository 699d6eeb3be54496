/** The parts we use of packages that come without types. */
declare module 'swagger-ui-express' {
  import type { RequestHandler } from 'express';
  const swaggerUi: {
    serve: RequestHandler[];
    setup(document: object, options?: { customSiteTitle?: string }): RequestHandler;
  };
  export default swaggerUi;
}

declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface KoaContext {
    body: string;
    type: string;
    oidc: {
      client: { clientId: string };
      account: { accountId: string };
      session: { accountId: string };
      result?: { login?: { accountId: string } };
    };
  }

  export interface Interaction {
    uid: string;
    prompt: { name: string };
    params: Record<string, unknown>;
  }

  export class Grant {
    constructor(of: { clientId: string; accountId: string });
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }

  export class Check {
    constructor(reason: string, description: string, check: (context: KoaContext) => boolean);
  }

  export const interactionPolicy: {
    base(): { get(name: string): { checks: { add(check: Check): void } } | undefined };
    Check: typeof Check;
  };

  export default class Provider {
    constructor(issuer: string, configuration: object);
    readonly issuer: string;
    Grant: typeof Grant;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>;
  }
}
