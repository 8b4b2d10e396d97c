import ZongJi from '@vlasky/zongji';
import { mark } from './follower.marks.js';

/** The bare client: decodes rows and drops them. Nothing built on it can be faster. */
const { MYSQL_HOST, MYSQL_PORT, DATABASE, BINLOG_FILE, BINLOG_POSITION, ROWS } = process.env;
const client = new ZongJi({
  host: MYSQL_HOST,
  port: Number(MYSQL_PORT),
  user: 'root',
  password: '',
  dateStrings: true,
});
const wanted = Number(ROWS);
let rows = 0;

client.on('error', (error) => {
  throw error;
});
client.on('binlog', (event) => {
  if ('rows' in event) rows += (event.rows as unknown[]).length;
  else return;
  if (rows >= wanted) mark('done', rows);
});
mark('start', 0);
client.start({
  serverId: 90_001,
  filename: BINLOG_FILE,
  position: Number(BINLOG_POSITION),
  includeEvents: ['tablemap', 'writerows', 'updaterows', 'deleterows'],
  includeSchema: { [DATABASE!]: ['consistent_product'] },
});
