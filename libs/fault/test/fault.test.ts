import { describe, expect, it } from 'vitest';
import { Fault } from '../src/index.ts';

class SampleFault extends Fault<'sample/broken'> {}

describe('Fault', () => {
  it('carries its code, its own name, a message for the caller and a private cause', () => {
    const cause = new Error('secret');
    const fault = new SampleFault('sample/broken', 'The sample is broken.', { cause });
    expect(fault).toMatchObject({ code: 'sample/broken', name: 'SampleFault', message: 'The sample is broken.' });
    expect(fault.cause).toBe(cause);
    expect(fault).toBeInstanceOf(Error);
  });
});
