/** Commands after which kubectl says something else than with a real server: by day, with the reason. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'asks what there is and what it may': { 'auth can-i get pods --as=system:serviceaccount:NS:default': 'nobody is refused anything here' },
  'replaces and patches': { [`patch cm a -p '{"data":{"b":1}}'`]: 'a value of a wrong type is refused as in other writes; the words differ' },
  'makes more objects': { 'create token default': 'no tokens are given: nobody asks for one' },
  'makes typed objects': { 'create cronjob': 'kubectl 1.20 asks for batch/v1beta1, which neither server has; the words of the 404 differ' },
};

/** What kubectl before 1.23 itself says otherwise, whatever the server: not compared with what a newer one was recorded to say. */
export const OLD_KUBECTL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'runs a pod, reads its log and runs commands in it': {
    'get pod p -o yaml': 'shows managedFields',
    'describe pod p': 'has no line for the service account',
    'logs p -> 1': 'chooses no container',
    'logs none -> 1': 'other words',
    'exec p -- node -p 1+1': 'other words for the container that it chose',
  },
  'sees pods end and begin again': { 'describe pod ': 'has no line for the service account' },
  'rolls a deployment out, back and out again': {
    'describe svc web': 'reads Endpoints, which the lab does not make',
    'rollout history deployment/web --revision=1': 'shows no tolerations of a template',
    'rollout undo deployment/web -> 1': 'other words',
    'describe deployment web': 'shows no tolerations of a template',
  },
  'has sets, jobs and nodes': {
    'describe job once': 'shows no completion mode',
    'describe statefulset db': 'shows no tolerations of a template',
    'label node NODE example.com/kind-': 'says labeled where a newer one says unlabeled',
    'drain NODE --pod-selector=app=each': 'other words',
  },
};

/** The same of the days with pods, in the lab. */
export const POD_DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'runs a pod, reads its log and runs commands in it': { 'exec p -c main -- /no/such/file': 'runc’s words, and no exit code of a command; a shell’s 127 here' },
  'sees pods end and begin again': { 'logs again --previous': 'the kubelet keeps one dead container, and that is another by now; the lab keeps the log' },
};
