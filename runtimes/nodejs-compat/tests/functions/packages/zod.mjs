import { z } from 'zod';
const S = z.object({ a: z.string().email(), n: z.number().int().optional() });
export const handler = async () => [S.safeParse({ a: 'x@y.zz' }).success, S.safeParse({ a: 'x' }).error.issues[0].path];
