import express from 'express';
import serverless from 'serverless-http';
const app = express();
app.use(express.json());
app.get('/hello/:name', (q, r) => r.json({ hello: q.params.name, q: q.query.x }));
app.post('/echo', (q, r) => r.status(201).set('x-made', 'yes').send(q.body));
app.get('/fails', () => {
  throw new Error('in route');
});
export const handler = serverless(app);
