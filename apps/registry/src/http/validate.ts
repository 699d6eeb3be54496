import type { FieldError } from '@margo-trust/wire';
import type { Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { HttpFault } from './http.fault.ts';

/** Turns decoded JSON into an instance of `type`, or refuses it naming every member at fault. */
export function validate<T extends object>(type: Type<T>, value: unknown): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpFault('http/not-an-object', 'The body must be a JSON object.');
  }
  const unfit = unfitMembers(value);
  if (unfit.length > 0) throw invalid(unfit);
  const instance = plainToInstance(type, value);
  const errors = validateSync(instance, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
  });
  if (errors.length > 0) throw invalid(flatten(errors));
  return instance;
}

function invalid(errors: FieldError[]): HttpFault {
  const fields = [...new Set(errors.map((error) => error.field))].slice(0, 10).join(', ');
  return new HttpFault('http/invalid-body', `These members are not acceptable: ${fields}.`, {
    errors: errors.slice(0, 50),
  });
}

/** Far more than any body of ours has. class-validator compares members pairwise: 80,000 of them kept it busy for 8 s. */
const MAX_MEMBERS = 1_000;

/** What must be known before any rule of a class is asked, and holds for all classes alike. */
function unfitMembers(body: object): FieldError[] {
  const found: FieldError[] = [];
  let count = 0;
  for (const [field, member] of membersOf(body)) {
    count += 1;
    if (count > MAX_MEMBERS) throw new HttpFault('http/invalid-body', `A body has ${MAX_MEMBERS} members at most.`);
    // class-validator takes null for "left out"; we do not.
    if (member === null) found.push({ field, message: 'must not be null' });
    if (typeof member === 'string' && !isStorable(member)) found.push({ field, message: 'must be text without NUL' });
  }
  return found;
}

/** Every member and list item at any depth, with its path. The reader has limited the depth. */
function* membersOf(value: object, path = ''): Generator<[string, unknown]> {
  for (const [name, member] of Object.entries(value) as [string, unknown][]) {
    const field = shorten(path === '' ? name : `${path}.${name}`);
    yield [field, member];
    if (typeof member === 'object' && member !== null) yield* membersOf(member, field);
  }
}

/** PostgreSQL keeps no NUL, and half a surrogate pair is not text in UTF-8. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && !/\p{Surrogate}/u.test(text);
}

function flatten(errors: readonly ValidationError[], path = ''): FieldError[] {
  return errors.flatMap((error) => {
    const field = shorten(path === '' ? error.property : `${path}.${error.property}`);
    const own = Object.values(error.constraints ?? {}).map((message) => ({ field, message: message.slice(0, 300) }));
    return [...own, ...flatten(error.children ?? [], field)];
  });
}

/** Names come from the caller and go back to him. */
function shorten(field: string): string {
  return field.length > 200 ? `${field.slice(0, 199)}…` : field;
}
