/** What the demo says, to people: headings, results, colours only on a terminal. */
export class DemoConsole {
  readonly #colour: boolean;
  readonly #began = performance.now();
  #failures = 0;

  constructor(private readonly out: NodeJS.WriteStream) {
    this.#colour = out.isTTY === true && process.env['NO_COLOR'] === undefined;
  }

  get failures(): number {
    return this.#failures;
  }

  heading(text: string): void {
    this.out.write(`\n${this.#paint('1', `== ${text}`)}\n`);
  }

  progress(text: string): void {
    this.out.write(this.#paint('2', `   ${((performance.now() - this.#began) / 1000).toFixed(1).padStart(5)} s  ${text}\n`));
  }

  text(text: string): void {
    this.out.write(text.replace(/^(?=.)/gm, '   '));
  }

  /** A statement that must hold for the demo to have succeeded. */
  check(holds: boolean, text: string): void {
    if (!holds) this.#failures++;
    this.out.write(`   ${holds ? this.good('ok') : this.bad('FAILED')}  ${text}\n`);
  }

  good(text: string): string {
    return this.#paint('32', text);
  }

  bad(text: string): string {
    return this.#paint('31', text);
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
