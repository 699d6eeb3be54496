import * as portable from '../src/portable.ts';
import { describeKeys, describeSignatures } from './suite.ts';

describeKeys('portable', portable);
describeSignatures('portable', portable, { rsa: false });
