import { destination, pino, stdTimeFunctions, type Logger } from 'pino';

export type { Logger };

/** Levels users know from flanneld (-v) and Felix (logSeverityScreen) map onto these. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * The process's root logger: JSON lines on standard error, message a constant,
 * data as fields, time in ISO 8601. Components take `log.child({ component })`.
 */
export function createLogger(level: LogLevel = 'info', fields: Record<string, string> = {}): Logger {
  return pino(
    { level, base: fields, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    destination({ dest: 2, sync: true }),
  );
}
