/** name:version of the image. */
export declare const TAG: string;
/** The `config` of its OCI configuration. */
export declare const CONFIG: {
  readonly Entrypoint: readonly string[];
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
};
