import type { Command } from './days.js';

/** Prints two lines and one to its errors, then stays; TERM ends it at once. */
const talker = `process.on('SIGTERM', () => process.exit(0)); console.log('first'); console.log('second'); console.error('third'); setInterval(() => 0, 1e6)`;
/** Answers HTTP with its version. */
const server = `process.on('SIGTERM', () => process.exit(0)); console.log('serving ' + process.env.V); require('http').createServer((_, answer) => answer.end('version ' + process.env.V)).listen(8080)`;

const container = (name: string, script: string, more = ''): string => `{name: ${name}, image: "IMAGE", imagePullPolicy: IfNotPresent, command: [/usr/bin/node, -e, ${JSON.stringify(script)}]${more}}`;
const pod = `
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 5
  tolerations: [{operator: Exists}]
  containers: [${container('main', talker)}, ${container('side', `setInterval(() => 0, 1e6)`)}]
`;
const ends = (name: string, script: string, restartPolicy: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {automountServiceAccountToken: false, restartPolicy: ${restartPolicy}, terminationGracePeriodSeconds: 1, containers: [${container('main', script)}]}
`;
const template = (app: string, script: string, more = ''): string => `{metadata: {labels: {app: ${app}}}, spec: {automountServiceAccountToken: false, terminationGracePeriodSeconds: 5, containers: [${container('main', script, more)}]}}`;
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: ${template('web', server, ', env: [{name: V, value: "1"}], ports: [{name: http, containerPort: 8080}], readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}')}
`;
const database = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {serviceName: db, replicas: 2, selector: {matchLabels: {app: db}}, template: ${template('db', server)}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec: {selector: {matchLabels: {app: each}}, template: ${template('each', server)}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {backoffLimit: 0, template: {spec: {automountServiceAccountToken: false, restartPolicy: Never, containers: [${container('main', `console.log('once')`)}]}}}
`;
const rolledOut: Command = { line: 'rollout status deployment/web --timeout=60s', last: true };
/** Old pods take their time to go. */
const pods = (label: string, count: number): Command => ({ line: `get pods -l app=${label} --no-headers`, until: new RegExp(`^(\\S+ +1/1 +Running .*\\n){${count}}$`) });
/** kubectl before 1.23 cannot wait for that. */
const said = (pod: string, path: string, what: RegExp): Command => ({ line: `get pod ${pod} -o jsonpath=${path}`, until: what });
const settled = pods('web', 3);
const none: Command = { line: 'get pods', until: /No resources found/ };

/**
 * Days with pods that run, on any cluster that has IMAGE, an image with
 * /usr/bin/node, and a node NODE.
 */
export const POD_DAYS: Readonly<Record<string, readonly Command[]>> = {
  'runs a pod, reads its log and runs commands in it': [
    { line: 'apply -f -', input: pod },
    { line: 'wait --for=condition=Ready pod/p --timeout=60s' },
    { line: 'logs p -c main', until: /first[^]*second[^]*third|third[^]*second/ },
    { line: 'get pods' },
    { line: 'get pod p -o wide' },
    { line: `get pod p -o 'jsonpath={.status.phase} {.status.qosClass} {.spec.serviceAccountName} {.status.containerStatuses[*].ready}'` },
    { line: 'get pod p -o custom-columns=NAME:.metadata.name,IP:.status.podIP,ON:.spec.nodeName,STARTED:.status.containerStatuses[*].started' },
    { line: 'get pod p -o yaml' },
    { line: 'describe pod p', before: 'Events:' },
    { line: 'logs p', sorted: true },
    { line: 'logs p -c side' },
    { line: 'logs p -c main --tail=0' },
    { line: 'logs p --all-containers --prefix', sorted: true },
    { line: 'logs p -c main --timestamps --since=1h', sorted: true },
    { line: 'logs p -c main --limit-bytes=5' },
    { line: 'logs -f p -c main', sorted: true, meanwhile: [{ line: 'get pod p', quiet: true }], enough: /third/ },
    { line: 'logs -l app=p --all-containers --tail=1', quiet: true },
    { line: 'logs p -c none' },
    { line: 'logs p -c main --previous' },
    { line: 'logs none' },
    { line: 'exec p -- node -p 1+1' },
    { line: 'exec p -c side -- node -e process.exit(7)' },
    { line: `exec -i p -c main -- node -e 'process.stdin.pipe(process.stdout)'`, input: 'through\n' },
    { line: `exec p -c main -- node -e 'console.log("out"); console.error("err")'` },
    { line: 'exec p -c none -- true' },
    { line: 'exec none -- true' },
    { line: 'exec p -c main -- /no/such/file' },
    { line: `exec -it p -c main -- node -p 1+1`, quiet: true },
    { line: 'label pod p app=q --overwrite' },
    { line: 'annotate pod p note=x' },
    { line: 'patch pod p --type merge -p {"spec":{"activeDeadlineSeconds":1000}}' },
    { line: 'delete pod p' },
    { line: 'get pods' },
  ],
  'sees pods end and begin again': [
    { line: 'apply -f -', input: ends('done', `console.log('one'); setTimeout(() => console.log('two'), 500)`, 'Never') },
    said('done', '{.status.containerStatuses[0].state.terminated.reason}', /^Completed$/),
    { line: 'logs -f done' },
    said('done', '{.status.phase}', /^Succeeded$/),
    { line: 'get pods' },
    { line: `get pod done -o 'jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode} {.status.conditions[?(@.type=="Ready")].reason}'` },
    { line: 'describe pod done', before: 'Events:' },
    { line: 'exec done -- node -p 1' },
    { line: 'apply -f -', input: ends('bad', `console.log('trying'); process.exit(3)`, 'Never') },
    said('bad', '{.status.phase}', /^Failed$/),
    { line: 'get pod bad' },
    { line: 'describe pod bad', before: 'Events:' },
    { line: 'apply -f -', input: ends('again', `const fs = require('fs'); console.log('trying'); setTimeout(() => process.exit(4), 100)`, 'Always') },
    said('again', '{.status.containerStatuses[0].restartCount}', /^[1-9]/),
    { line: `get pod again -o 'jsonpath={.status.phase} {.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].lastState.terminated.reason}'` },
    { line: 'logs again --previous' },
    { line: 'delete pod done bad again' },
  ],
  'rolls a deployment out, back and out again': [
    { line: 'apply -f -', input: web },
    rolledOut,
    { line: 'get deploy' },
    { line: 'get deploy -o wide' },
    { line: 'get rs' },
    { line: 'get pods', sorted: true },
    { line: 'expose deployment web --port=80 --target-port=http' },
    { line: `get endpointslices -l kubernetes.io/service-name=web -o 'jsonpath={.items[*].endpoints[*].conditions.ready}'`, until: /^true true$/ },
    { line: 'get svc,endpointslices' },
    { line: 'describe svc web', before: 'Session Affinity' },
    { line: 'port-forward --address 127.0.0.1 deployment/web PORT:http', meanwhile: [{ line: 'get --raw / --server=http://127.0.0.1:PORT' }], enough: /Handling/ },
    { line: 'scale deployment web --replicas=3' },
    rolledOut,
    settled,
    { line: 'logs deployment/web --tail=1' },
    { line: 'logs -l app=web --tail=1' },
    { line: 'exec deployment/web -- node -p process.env.V' },
    { line: 'set env deployment/web V=2' },
    rolledOut,
    settled,
    { line: 'annotate deployment web kubernetes.io/change-cause=second' },
    { line: 'rollout history deployment/web', until: /second/ },
    { line: 'rollout history deployment/web' },
    { line: 'rollout history deployment/web --revision=1' },
    { line: 'logs -l app=web --tail=1', sorted: true },
    { line: 'rollout undo deployment/web' },
    rolledOut,
    { line: 'rollout history deployment/web' },
    { line: 'rollout undo deployment/web --to-revision=2' },
    rolledOut,
    { line: 'rollout undo deployment/web --to-revision=9' },
    { line: 'rollout restart deployment/web' },
    rolledOut,
    settled,
    { line: 'get rs', sorted: true },
    { line: 'rollout pause deployment/web' },
    { line: 'set env deployment/web V=5' },
    { line: 'rollout undo deployment/web' },
    { line: 'rollout resume deployment/web' },
    rolledOut,
    { line: 'edit deployment web', editor: '/replicas:/s/3$/1/' },
    rolledOut,
    pods('web', 1),
    { line: 'describe deployment web', before: 'Conditions:' },
    { line: 'apply -f -', input: web },
    rolledOut,
    pods('web', 2),
    { line: 'delete pods -l app=web', sorted: true },
    pods('web', 2),
    rolledOut,
    { line: 'diff -f -', input: web },
    { line: 'delete deployment,service web' },
    none,
    { line: 'get all' },
  ],
  'has sets, jobs and nodes': [
    { line: 'apply -f -', input: database },
    { line: 'rollout status statefulset/db --timeout=60s', last: true },
    { line: 'rollout status daemonset/each --timeout=60s', last: true },
    { line: 'wait --for=condition=Complete job/once --timeout=60s' },
    { line: 'get statefulset,job -o wide' },
    { line: 'get pods -l app=db -o wide' },
    { line: 'logs job/once' },
    { line: 'describe job once', before: 'Events:' },
    { line: 'describe statefulset db', before: 'Events:' },
    { line: 'scale statefulset db --replicas=1' },
    pods('db', 1),
    { line: 'rollout restart statefulset/db' },
    { line: 'rollout status statefulset/db --timeout=60s', last: true },
    { line: 'rollout history statefulset/db' },
    { line: 'rollout history daemonset/each' },
    { line: 'rollout restart daemonset/each' },
    { line: 'rollout status daemonset/each --timeout=60s', last: true },
    { line: 'rollout undo daemonset/each' },
    { line: 'rollout status daemonset/each --timeout=60s', last: true },
    { line: 'cordon NODE' },
    { line: 'cordon NODE' },
    { line: 'get node NODE' },
    { line: 'taint node NODE example.com/busy=yes:NoSchedule' },
    { line: 'taint node NODE example.com/busy=yes:NoSchedule' },
    { line: `get node NODE -o 'jsonpath={.spec.taints[?(@.key=="example.com/busy")].effect} {.spec.unschedulable}'` },
    { line: 'taint node NODE example.com/busy-' },
    { line: 'label node NODE example.com/kind=test' },
    { line: 'label node NODE example.com/kind-' },
    { line: 'drain NODE --pod-selector=app=none --ignore-daemonsets' },
    { line: 'drain NODE --pod-selector=app=each --timeout=5s' },
    { line: 'drain NODE --pod-selector=app=each --ignore-daemonsets' },
    { line: 'drain NODE --pod-selector=app=db --ignore-daemonsets --timeout=60s', quiet: true },
    { line: 'uncordon NODE' },
    { line: 'uncordon NODE' },
    { line: 'rollout status statefulset/db --timeout=60s', last: true },
    { line: 'top pods' },
    { line: 'top node NODE' },
    { line: 'delete statefulset,daemonset,job,service --all', sorted: true },
    none,
  ],
};
