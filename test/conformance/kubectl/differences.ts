/** Commands after which kubectl says something else than with a real server: by day, with the reason. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'is told what is wrong': { 'get configmaps -l a=b=c': 'the same refusal of a selector, in other words' },
  'makes typed objects': { 'create cronjob': 'kubectl 1.20 asks for batch/v1beta1, which neither server has; the words of the 404 differ' },
};

/** The same of the days with pods, in the lab. */
export const POD_DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {};
