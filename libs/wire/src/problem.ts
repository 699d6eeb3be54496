import { BooleanField, ChoiceField, IntegerField, ObjectsField, TextField } from './fields.ts';

export class FieldError {
  @TextField({ max: 200, description: 'Path of the member, parts joined by dots.' })
  field: string;

  @TextField({ max: 500 })
  message: string;
}

/** RFC 9457 with Margo's extension members. */
export class Problem {
  @TextField({ max: 300, description: 'Stable for ever; its last two parts are the code.' })
  type: string;

  @TextField({ max: 200 })
  title: string;

  @IntegerField({ min: 400, max: 599 })
  status: number;

  @TextField({ max: 2000 })
  detail: string;

  @TextField({ max: 100, example: 'http/not-found' })
  code: string;

  @TextField({ max: 100, description: 'Names this request in the logger’s output.' })
  instance: string;

  @BooleanField({ description: 'Whether the same request may succeed later.' })
  retryable: boolean;

  @IntegerField({ min: 0, max: 86_400, optional: true })
  retryAfterSeconds?: number;

  @ChoiceField(['none', 'fixed', 'exponential'], { optional: true })
  backoffStrategy?: 'none' | 'fixed' | 'exponential';

  @ObjectsField(() => FieldError, { optional: true })
  errors?: FieldError[];
}
