import _ from 'lodash';
export const handler = async () => [_.chunk([1, 2, 3], 2), _.camelCase('foo bar'), _.get({ a: { b: 1 } }, 'a.b'), _.debounce !== undefined];
