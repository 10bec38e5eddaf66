import { StringDecoder } from 'node:string_decoder';
import { ApiError } from './api-error.js';

/** etcd takes objects of 1.5 MB by default; a line beyond this is no watch event but a broken or hostile stream. */
const MAX_LINE = 32 << 20;

/**
 * The values of a stream of JSON lines, as a watch sends them. Throws ApiError
 * on a line that is no JSON and on a stream that ends in mid-line: what was
 * yielded before stands, the rest must be asked for again.
 */
export async function* jsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown, void, undefined> {
  const utf8 = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of chunks) {
    const text = utf8.write(chunk);
    if (!text.includes('\n')) {
      rest += text;
      if (rest.length > MAX_LINE) throw new ApiError('watch line is too long', { reason: 'BadStream' });
      continue;
    }
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') yield parseLine(line);
  }
  rest += utf8.end();
  if (rest.trim() !== '') throw new ApiError('watch was cut in mid-line', { reason: 'CutStream' });
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new ApiError('watch line is not JSON', { reason: 'BadStream', cause });
  }
}
