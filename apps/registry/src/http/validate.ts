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
  const nulls = nullsIn(value);
  if (nulls.length > 0) throw invalid(nulls);
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

/** class-validator takes null for "left out"; we do not. */
function nullsIn(value: object, path = ''): FieldError[] {
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    const field = shorten(path === '' ? name : `${path}.${name}`);
    if (member === null) return [{ field, message: 'must not be null' }];
    return typeof member === 'object' ? nullsIn(member, field) : [];
  });
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
