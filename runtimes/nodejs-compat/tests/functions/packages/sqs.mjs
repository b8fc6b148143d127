import { SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';
const client = new SQSClient({});
export const handler = async (event) => {
  const r = await client.send(new SendMessageCommand({ QueueUrl: event + '/q', MessageBody: 'hello' }));
  return r.MessageId;
};
