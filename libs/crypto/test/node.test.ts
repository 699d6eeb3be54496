import { checkSignatureOnPool } from '../src/async.ts';
import * as node from '../src/node.ts';
import { describeKeys, describeSignatures } from './suite.ts';

describeKeys('node', node);
describeSignatures('node', node, { rsa: true });
describeSignatures('thread pool', { ...node, verifySignature: checkSignatureOnPool }, { rsa: true });
