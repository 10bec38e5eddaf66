import { Option, type Command } from 'commander';
import { SETTINGS, type Setting } from '../../daemon/settings/definition.js';
import { IGNORED_FLAGS } from '../../daemon/settings/ignored.js';
import { loadSettings, readSettingsFile, type FlagValues } from '../../daemon/settings/load.js';

const DEFAULT_CONFIG = '/etc/canal/agent.yaml';

export function register(program: Command): void {
  const command = program.command('agent').description('run the node agent');
  command.option('--config <file>', `settings by their Felix or canal key, as YAML (default: ${DEFAULT_CONFIG} if it is there)`, process.env['CANAL_CONFIG']);
  for (const setting of Object.values(SETTINGS) as Setting<unknown>[]) command.addOption(optionOf(setting));
  for (const { flag } of IGNORED_FLAGS) command.addOption(new Option(`--${flag} [value]`).hideHelp());
  command.action(async (_options: unknown, self: Command) => {
    const flags = flagValues(self);
    const config = flags['config'] as string | undefined;
    const { settings, ignored } = loadSettings(withoutConfig(flags), process.env, readSettingsFile(config ?? DEFAULT_CONFIG, config !== undefined));
    const { runAgent } = await import('../../daemon/run.js');
    await runAgent(settings, ignored);
  });
}

function optionOf(setting: Setting<unknown>): Option {
  const value = setting.value === undefined ? ' [true|false]' : ` <${setting.value}>`;
  const fallback = shown(setting.fallback);
  const option = new Option(`--${setting.flag}${value}`, fallback === '' ? setting.help : `${setting.help} (default: ${fallback})`);
  if (setting.repeatable === true) option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
  return option;
}

function shown(fallback: unknown): string {
  if (fallback === undefined || typeof fallback === 'object') return '';
  return String(fallback as string | number | boolean);
}

/** What was given on the command line, by flag without dashes. */
function flagValues(command: Command): FlagValues {
  const values: Record<string, string | boolean | readonly string[] | undefined> = {};
  for (const option of command.options) {
    const name = option.long?.replace(/^--/, '');
    if (name !== undefined) values[name] = command.getOptionValue(option.attributeName()) as FlagValues[string];
  }
  return values;
}

function withoutConfig(flags: FlagValues): FlagValues {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => name !== 'config'));
}
