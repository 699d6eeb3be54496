import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInstance,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateNested,
} from 'class-validator';

/** What every field may say. `optional` means: may be left out. `null` is never accepted. */
export interface FieldOptions {
  description?: string;
  example?: unknown;
  optional?: boolean;
}

export interface TextOptions extends FieldOptions {
  /** Lengths in UTF-16 code units; `min` is 1 unless said otherwise. */
  min?: number;
  max: number;
  pattern?: RegExp;
}

/** A string. */
export function TextField(options: TextOptions): PropertyDecorator {
  return compose(options, textSchema(options), textRules(options));
}

/** A list of different strings. `minItems` is 0 unless said otherwise. */
export function TextsField(options: TextOptions & { minItems?: number; maxItems: number }): PropertyDecorator {
  const { minItems = 0, maxItems } = options;
  const schema: ApiPropertyOptions = {
    type: 'array',
    items: textSchema(options) as never,
    minItems,
    maxItems,
    uniqueItems: true,
  };
  return compose(options, schema, [...listRules(minItems, maxItems), ArrayUnique(), ...textRules(options, true)]);
}

/** One of a few words. */
export function ChoiceField(values: readonly string[], options: FieldOptions = {}): PropertyDecorator {
  return compose(options, { type: 'string', enum: [...values] }, [IsString(), IsIn([...values])]);
}

/** A list of different words out of a few. */
export function ChoicesField(
  values: readonly string[],
  options: FieldOptions & { minItems?: number } = {},
): PropertyDecorator {
  const minItems = options.minItems ?? 0;
  const items = { type: 'string', enum: [...values] };
  const schema: ApiPropertyOptions = { type: 'array', items, minItems, uniqueItems: true };
  return compose(options, schema, [
    ...listRules(minItems, values.length),
    ArrayUnique(),
    IsIn([...values], { each: true }),
  ]);
}

/** Text of the form `YYYY-MM-DDTHH:MM:SSZ`: UTC, whole seconds. */
export function TimeField(options: FieldOptions = {}): PropertyDecorator {
  const schema: ApiPropertyOptions = { type: 'string', format: 'date-time', example: '2026-01-31T12:00:00Z' };
  return compose(options, schema, [IsString(), Matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)]);
}

/** A whole number. */
export function IntegerField(options: FieldOptions & { min: number; max: number }): PropertyDecorator {
  const { min, max } = options;
  return compose(options, { type: 'integer', minimum: min, maximum: max }, [IsInt(), Min(min), Max(max)]);
}

export function BooleanField(options: FieldOptions = {}): PropertyDecorator {
  return compose(options, { type: 'boolean' }, [IsBoolean()]);
}

/** An object of another class of this package. */
export function ObjectField(type: () => new () => object, options: FieldOptions = {}): PropertyDecorator {
  return compose(options, { type: () => type() }, [Type(type), IsInstance(type()), ValidateNested()]);
}

/** A list of objects of another class of this package. */
export function ObjectsField(
  type: () => new () => object,
  options: FieldOptions & { maxItems?: number } = {},
): PropertyDecorator {
  const maxItems = options.maxItems ?? 1_000;
  const rules = [
    Type(type),
    ...listRules(0, maxItems),
    IsInstance(type(), { each: true }),
    ValidateNested({ each: true }),
  ];
  return compose(options, { type: () => type(), isArray: true }, rules);
}

function textSchema(options: TextOptions): ApiPropertyOptions {
  const pattern = options.pattern === undefined ? {} : { pattern: options.pattern.source };
  return { type: 'string', minLength: options.min ?? 1, maxLength: options.max, ...pattern };
}

function textRules(options: TextOptions, each = false): PropertyDecorator[] {
  const rules = [IsString({ each }), MinLength(options.min ?? 1, { each }), MaxLength(options.max, { each })];
  return options.pattern === undefined ? rules : [...rules, Matches(options.pattern, { each })];
}

function listRules(minItems: number, maxItems: number): PropertyDecorator[] {
  return [IsArray(), ArrayMinSize(minItems), ArrayMaxSize(maxItems)];
}

function compose(options: FieldOptions, schema: ApiPropertyOptions, rules: PropertyDecorator[]): PropertyDecorator {
  const { description, example, optional = false } = options;
  const described = { ...schema, required: !optional } as ApiPropertyOptions;
  if (description !== undefined) described.description = description;
  if (example !== undefined) Object.assign(described, { example });
  return (target, property) => {
    // IsOptional lets null pass as well; the reader of JSON bodies refuses null before validation.
    for (const decorate of [ApiProperty(described), ...rules, ...(optional ? [IsOptional()] : [])]) {
      decorate(target, property);
    }
  };
}
