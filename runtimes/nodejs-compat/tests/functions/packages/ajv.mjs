import Ajv from 'ajv';
const v = new Ajv({ allErrors: true }).compile({ type: 'object', required: ['a'], properties: { a: { type: 'integer' } } });
export const handler = async () => [v({ a: 1 }), v({ a: 'x' }), v.errors?.[0].message];
