import type { V1Container, V1EnvVar, V1Probe } from '@kubernetes/client-node';
import { quantity } from '../quantity.js';
import { portName, portNumber } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';

/** Of a container: environment, probes and resources (pkg/apis/core/validation). */
export function containerPartErrors(container: V1Container, path: string): FieldError[] {
  return [
    ...(container.env ?? []).flatMap((variable, index) => variableErrors(variable, `${path}.env[${index}]`)),
    ...(['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap((name) => probeErrors(container[name], `${path}.${name}`, name !== 'readinessProbe')),
    ...resourceErrors(container, `${path}.resources`),
  ];
}

const PRINTABLE_BUT_EQUALS = /^[ -<>-~]+$/;

function variableErrors({ name, value, valueFrom }: V1EnvVar, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!name) errors.push(fieldError.required(`${path}.name`));
  else if (!PRINTABLE_BUT_EQUALS.test(name)) errors.push(fieldError.invalid(`${path}.name`, name, "a valid environment variable name must consist only of printable ASCII characters other than '='"));
  if (value !== undefined && value !== '' && valueFrom !== undefined) errors.push(fieldError.invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'));
  return errors;
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;
const AMOUNTS = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const;

function probeErrors(probe: V1Probe | undefined, path: string, successIsOne: boolean): FieldError[] {
  if (probe === undefined) return [];
  const handlers = HANDLERS.filter((name) => probe[name] !== undefined);
  const errors: FieldError[] = handlers.slice(1).map((name) => fieldError.forbidden(`${path}.${name}`, 'may not specify more than 1 handler type'));
  const [handler] = handlers;
  if (handler === undefined) errors.push(fieldError.required(path, 'must specify a handler type'));
  else errors.push(...handlerErrors(probe, handler, `${path}.${handler}`));
  for (const field of AMOUNTS) if ((probe[field] ?? 0) < 0) errors.push(fieldError.invalid(`${path}.${field}`, probe[field], 'must be greater than or equal to 0'));
  if (successIsOne && probe.successThreshold !== 1) errors.push(fieldError.invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'));
  return errors;
}

function handlerErrors(probe: V1Probe, handler: (typeof HANDLERS)[number], path: string): FieldError[] {
  if (handler === 'exec') return (probe.exec?.command ?? []).length === 0 ? [fieldError.required(`${path}.command`)] : [];
  const port = probe[handler]?.port;
  const why = typeof port === 'string' ? portName(port) : portNumber(port ?? 0);
  return why.map((text) => fieldError.invalid(`${path}.port`, port ?? 0, text));
}

/** No negative amount, and no request beyond its limit. */
function resourceErrors({ resources }: V1Container, path: string): FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const negative = Object.entries({ limits, requests }).flatMap(([list, amounts]) =>
    Object.entries(amounts).flatMap(([name, amount]) => ((quantity(amount) ?? 0) < 0 ? [fieldError.invalid(`${path}.${list}[${name}]`, amount, 'must be greater than or equal to 0')] : [])),
  );
  const beyond = Object.entries(requests).flatMap(([name, amount]) => {
    const limit = limits[name];
    return limit !== undefined && (quantity(amount) ?? 0) > (quantity(limit) ?? 0) ? [fieldError.invalid(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`)] : [];
  });
  return [...negative, ...beyond];
}
