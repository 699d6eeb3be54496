import * as node from '../src/node.ts';
import { checkSignatureOnPool } from '../src/async.ts';
import { describeCrypto } from './suite.ts';

describeCrypto('node', node, { rsa: true });
describeCrypto('thread pool', { ...node, verifySignature: checkSignatureOnPool }, { rsa: true });
