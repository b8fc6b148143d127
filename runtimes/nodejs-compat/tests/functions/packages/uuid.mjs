import { v4, v5, v7, validate } from 'uuid';
export const handler = async () => [validate(v4()), validate(v7()), v5('x', v5.URL)];
