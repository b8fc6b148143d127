export const handler = async () => ({ message: "Hello, world!" });
