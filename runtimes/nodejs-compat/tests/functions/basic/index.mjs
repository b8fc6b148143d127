import { readFileSync } from 'node:fs';
import path from 'path';
export const echo = async (event) => event;
export const handler = async (event, context) => {
  console.log('hello', { a: 1, b: [1, 2, { c: new Map([[1, 2]]) }] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { event, left: context.getRemainingTimeInMillis(), file: path.basename(import.meta.filename), url: new URL('a?b=c', 'http://x.y/z').href,
    me: readFileSync(import.meta.filename).length, id: context.awsRequestId };
};
export const fail = async () => { throw new TypeError('broken'); };
