import * as portable from '../src/portable.ts';
import { describeCrypto } from './suite.ts';

describeCrypto('portable', portable, { rsa: false });
