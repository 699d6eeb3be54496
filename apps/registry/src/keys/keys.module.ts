import { Module } from '@nestjs/common';
import { Config, Secrets } from '../config.ts';
import { KeyRing } from './key-ring.ts';

@Module({
  providers: [
    {
      provide: KeyRing,
      useFactory: (config: Config, secrets: Secrets) => new KeyRing(config.keysDirectory, secrets.keysPassphrase),
      inject: [Config, Secrets],
    },
  ],
  exports: [KeyRing],
})
export class KeysModule {}
