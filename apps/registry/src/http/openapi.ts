import { Problem } from '@margo-trust/wire';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Application, Request, Response } from 'express';
import swaggerUi from 'swagger-ui-express';

/** The API as OpenAPI 3.1. Depends on the code only, so that it can be checked in and compared. */
export function describeApi(app: INestApplication): OpenAPIObject {
  const about = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Margo Trust Registry')
    .setDescription('Signing identities, transparency log and trust roots for Margo applications.')
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .build();
  return SwaggerModule.createDocument(app, about, {
    extraModels: [Problem],
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
}

/** Serves the document at /openapi.json and a page to try it at /docs. Before `init`, or Nest's 404 comes first. */
export function serveApiDescription(express: Application, document: OpenAPIObject): void {
  const body = JSON.stringify(document);
  express.get('/openapi.json', (_request: Request, response: Response) => {
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Cache-Control', 'public, max-age=60');
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.end(body);
  });
  express.use('/docs', swaggerUi.serve, swaggerUi.setup(document, { customSiteTitle: 'Margo Trust Registry: API' }));
}
