// The stages of the flow, in order: a folder of agent/ imports from itself and from what stands before it.
const stages = [
  'base', 'model', 'datastore', 'store', 'compile', 'ipam', 'cni', 'reconcile', 'kernel', 'flows', 'observe', 'daemon', 'apiserver', 'lab', 'bench', 'cli',
];

module.exports = {
  forbidden: [
    ...stages.slice(0, -1).map((stage, i) => ({
      name: `${stage}-imports-only-what-stands-before-it`,
      severity: 'error',
      from: { path: `^agent/${stage}/` },
      to: { path: `^agent/(${stages.slice(i + 1).join('|')})/` },
    })),
    { name: 'no-stage-outside-the-list', severity: 'error', from: { path: `^agent/(?!(${stages.join('|')})/)` }, to: {} },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-tests-in-the-product', severity: 'error', from: { path: '^agent/' }, to: { path: '^test/' } },
    { name: 'compile-is-pure', severity: 'error', from: { path: '^agent/(compile|model)/' }, to: { path: '^(node:)?(fs|net|http|https|child_process|timers|os)$' } },
    { name: 'only-kernel-calls-native', severity: 'error', from: { path: '^agent/', pathNot: '^agent/kernel/' }, to: { path: '(ffi|ref)-napi' } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
