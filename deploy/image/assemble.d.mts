/** The lines of deploy/image/contents, wildcards expanded. */
export declare function contents(): { readonly kind: string; readonly path: string; readonly source: string }[];
