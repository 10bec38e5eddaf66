import { MORE_DAYS } from './more-days.js';

/** One command, as it is typed after `kubectl`; `'…'` keeps words together. */
export interface Command {
  readonly line: string;
  /** What it reads from its standard input. */
  readonly input?: string;
  /** What it says is of no interest, only how it ends. */
  readonly quiet?: boolean;
  /** What an editor does: a sed script. */
  readonly editor?: string;
  /** Only the last line counts: the others tell of a moment. */
  readonly last?: boolean;
  /** Only what is said before a line that begins so. */
  readonly before?: string;
  /** Lines count in any order. */
  readonly sorted?: boolean;
  /** What is run once it has said a line, while it goes on; it is ended when it has said `enough` too. */
  readonly meanwhile?: readonly Command[];
  readonly enough?: RegExp;
  /** It is asked again until it says so; how it ends and what it says is of no interest. */
  readonly until?: RegExp;
}

const web = (replicas: number, image: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "${image}", ports: [{containerPort: 80}]}]}
`;
const shop = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, labels: {app: web}}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: front}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 80}, {port: 100, endPort: 200, protocol: UDP}]
  egress: [{to: [{namespaceSelector: {}}]}]
`;
const pod = (name: string, image = 'web:1'): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web}}
spec: {schedulerName: nobody, automountServiceAccountToken: false, containers: [{name: main, image: "${image}"}]}
`;
const ready = (name: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, status: { phase: 'Running', podIP: '192.0.2.7', podIPs: [{ ip: '192.0.2.7' }], conditions: [{ type: 'Ready', status: 'True' }] } });
const configMap = (value: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: value } });

/** Days of a user, by title. Each has a namespace of its own, in which NS stands for its name. */
export const DAYS: Readonly<Record<string, readonly Command[]>> = {
  ...MORE_DAYS,
  'applies, reads in every form, changes and takes away': [
    { line: 'apply -f -', input: shop },
    { line: 'apply -f -', input: shop },
    { line: 'get svc,netpol' },
    { line: 'get svc,netpol -o wide' },
    { line: 'get svc,netpol -o name' },
    { line: 'get netpol web -o yaml' },
    { line: 'get svc web -o json' },
    { line: `get svc web -o 'jsonpath={.spec.ports[*].port} {.spec.clusterIP}'` },
    { line: 'get svc -o custom-columns=NAME:.metadata.name,TYPE:.spec.type,PORT:.spec.ports[0].port' },
    { line: 'get svc --show-labels' },
    { line: 'get svc -l app=web --no-headers' },
    { line: 'get svc -l app=none' },
    { line: 'get svc --field-selector metadata.name=web -o name' },
    { line: 'describe netpol web' },
    { line: 'describe svc web' },
    { line: 'diff -f -', input: shop.replace('port: 80}]\n', 'port: 81}]\n') },
    { line: 'apply -f -', input: shop.replace('port: 100', 'port: 101') },
    { line: `get netpol web -o 'jsonpath={.spec.ingress[0].ports[1].port} {.metadata.generation}'` },
    { line: 'delete -f -', input: shop },
    { line: 'get svc,netpol' },
  ],
  'runs a deployment': [
    { line: 'apply -f -', input: web(0, 'web:1') },
    { line: 'get deploy' },
    { line: 'get deploy web -o yaml' },
    { line: 'scale deployment web --replicas=3' },
    { line: 'scale deployment web --current-replicas=2 --replicas=1' },
    { line: `get deploy web -o 'jsonpath={.spec.replicas}'` },
    { line: 'set image deployment/web main=web:2' },
    { line: 'set env deployment/web A=b' },
    { line: 'set resources deployment/web --limits=cpu=1' },
    { line: 'set serviceaccount deployment web default' },
    { line: 'rollout pause deployment/web' },
    { line: 'rollout pause deployment/web' },
    { line: 'rollout resume deployment/web' },
    { line: 'rollout history deployment/web' },
    { line: 'rollout status deployment/web --timeout=1s' },
    { line: `patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}'` },
    { line: `get deploy web -o 'jsonpath={.spec.template.spec.containers[*].image}'` },
    { line: 'edit deployment web', editor: 's/side:1/side:2/' },
    { line: 'edit deployment web', editor: 's/nothing/else/' },
    { line: `get deploy web -o 'jsonpath={.spec.template.spec.containers[*].image}'` },
    { line: 'apply -f -', input: web(0, 'web:3') },
    { line: 'expose deployment web --port=80 --cluster-ip=None' },
    { line: 'delete deployment,service web' },
  ],
  'labels, annotates and patches': [
    { line: 'apply -f -', input: pod('p') },
    { line: 'label pod p tier=one' },
    { line: 'label pod p tier=two' },
    { line: 'label pod p tier=two --overwrite' },
    { line: 'label pod p tier-' },
    { line: 'label pod p bad=not/valid' },
    { line: 'annotate pod p note=x' },
    { line: 'annotate pod p note-' },
    { line: `patch pod p --type merge -p '{"metadata":{"labels":{"m":"1"}}}'` },
    { line: `patch pod p --type json -p '[{"op":"remove","path":"/metadata/labels/m"}]'` },
    { line: `patch pod p -p '{"metadata":{"labels":{"app":"web"}}}'` },
    { line: 'get pods --show-labels' },
    { line: 'get pods -L app' },
    { line: 'set image pod/p main=web:2' },
    { line: 'delete pod p' },
  ],
  waits: [
    { line: 'apply -f -', input: pod('p') },
    { line: 'wait --for=condition=Ready pod/p --timeout=1s' },
    { line: 'replace --raw /api/v1/namespaces/NS/pods/p/status -f -', input: ready('p'), quiet: true },
    { line: 'wait --for=condition=Ready pod/p --timeout=10s' },
    { line: 'get pods' },
    { line: 'get pods -o wide' },
    { line: 'describe pod p' },
    { line: 'delete pod p --wait=false' },
    { line: 'wait --for=delete pod/p --timeout=10s' },
  ],
  'makes typed objects': [
    { line: 'create configmap a --from-literal=x=y' },
    { line: 'create secret generic a --from-literal=x=y' },
    { line: 'create serviceaccount a' },
    { line: 'create role a --verb=get,list --resource=pods' },
    { line: 'create rolebinding a --role=a --serviceaccount=NS:a' },
    { line: 'create quota a --hard=pods=3' },
    { line: 'create service clusterip a --clusterip=None' },
    { line: 'create service externalname b --external-name=example.com' },
    { line: 'create cronjob a --image=i:1 --schedule=@yearly' },
    { line: 'create deployment a --image=i:1 --replicas=0' },
    { line: 'create poddisruptionbudget a --selector=app=a --min-available=1' },
    { line: 'create ingress a --rule=example.com/x=svc:80' },
    { line: 'get secret,sa/a,role,rolebinding,quota,svc,cronjob,deploy,pdb,ingress -o wide' },
    { line: 'describe configmap a' },
    { line: 'describe secret a' },
    { line: 'describe role a' },
    { line: 'describe rolebinding a' },
    { line: 'describe ingress a' },
    { line: 'get all' },
    { line: 'delete role,rolebinding,secret a' },
  ],
  'applies on the server': [
    { line: 'apply --server-side -f -', input: configMap('1') },
    { line: 'apply --server-side -f -', input: configMap('1') },
    { line: 'apply --server-side --field-manager=other -f -', input: configMap('2') },
    { line: 'apply --server-side --field-manager=other --force-conflicts -f -', input: configMap('2') },
    { line: `get configmap c -o 'jsonpath={.data} {.metadata.managedFields[*].manager}'` },
    { line: 'apply -f -', input: configMap('3') },
    { line: 'diff --server-side --field-manager=other -f -', input: configMap('4') },
    { line: 'delete configmap c' },
  ],
  'is told what is wrong': [
    { line: 'apply -f -', input: shop.replace('cidr: 10.0.0.0/8', 'cidr: nonsense') },
    { line: 'apply -f -', input: pod('Bad') },
    { line: 'create -f -', input: pod('p').replace('image: "web:1"', 'image: ""') },
    { line: 'get pod none' },
    { line: 'get widgets' },
    { line: 'delete configmap none' },
    { line: 'delete configmap none --ignore-not-found' },
    { line: 'scale deployment none --replicas=1' },
    { line: 'label pod none a=b' },
    { line: 'create configmap c --from-literal=a=b --dry-run=server' },
    { line: 'create configmap c --from-literal=a=b --dry-run=client -o yaml' },
    { line: 'create configmap c --from-literal=a=b' },
    { line: 'create configmap c --from-literal=a=b' },
    { line: 'get configmap c --field-selector spec.none=1' },
    { line: 'get configmaps -l a=b=c' },
    { line: 'apply -f - -n none-such', input: configMap('1') },
  ],
};
