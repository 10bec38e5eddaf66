/** Commands after which kubectl says something else than with a real server: by day, with the reason. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'is told what is wrong': { 'get configmaps -l a=b=c': 'the same refusal of a selector, in other words' },
  'makes typed objects': { 'create cronjob': 'kubectl 1.20 asks for batch/v1beta1, which neither server has; the words of the 404 differ' },
};

/** The same of the days with pods, in the lab. */
export const POD_DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'runs a pod, reads its log and runs commands in it': { 'exec p -c main -- /no/such/file': 'runc’s words, and no exit code of a command; a shell’s 127 here' },
  'sees pods end and begin again': { 'logs again --previous': 'the kubelet keeps one dead container, and that is another by now; the lab keeps the log' },
};
