/**
 * The mysqld options of every source. docker-compose.yml repeats them; a unit test compares.
 * @param {Pick<import('./server.types.mjs').MysqlOptions, 'durable' | 'settings'>} [options]
 */
export function mysqlSettings({ durable = false, settings = [] } = {}) {
  return [
    '--mysqlx=OFF',
    '--skip-name-resolve',
    '--secure-file-priv=NULL',
    '--server-id=1',
    '--log-bin=binlog',
    '--binlog-row-image=FULL',
    // MINIMAL, the default, gives a binlog reader no column names: rows before an ALTER TABLE would be misread.
    '--binlog-row-metadata=FULL',
    '--gtid-mode=ON',
    '--enforce-gtid-consistency=ON',
    '--innodb-buffer-pool-size=64M',
    '--max-connections=500',
    '--max-allowed-packet=256M',
    '--performance-schema=OFF',
    '--default-time-zone=+00:00',
    // Tests kill the process, not the machine: what the kernel has is safe, and a commit costs no disk flush.
    `--innodb-flush-log-at-trx-commit=${durable ? 1 : 2}`,
    `--sync-binlog=${durable ? 1 : 0}`,
    ...settings,
  ];
}
