import { Module } from '@nestjs/common';
import { Config, Secrets } from '../config.ts';
import { KeyRing } from './key-ring.ts';

@Module({
  providers: [
    {
      provide: KeyRing,
      useFactory: async (config: Config, secrets: Secrets) => {
        const keys = new KeyRing(config.keysDirectory, secrets.keysPassphrase, secrets.tokenPin);
        await keys.openTokens();
        return keys;
      },
      inject: [Config, Secrets],
    },
  ],
  exports: [KeyRing],
})
export class KeysModule {}
