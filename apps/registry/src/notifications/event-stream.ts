import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** How long a follower may leave what was sent to it unread. */
const PATIENCE_MS = 30_000;

/**
 * One answer of Server-Sent Events (HTML Living Standard §9.2). What is sent waits in the connection until the other side takes it,
 * and nothing more is sent meanwhile; whoever takes nothing for half a minute is cut off, and may come back.
 */
export class EventStream {
  private readonly gone = new AbortController();

  constructor(
    private readonly response: ServerResponse,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    response.once('close', () => this.gone.abort());
    if (response.destroyed) this.gone.abort();
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no', // nginx would keep events back
    });
    response.write('retry: 2000\n\n');
  }

  /** Aborted when the follower is gone. */
  get signal(): AbortSignal {
    return this.gone.signal;
  }

  /** Sends an event. `data` is one line. */
  send(event: { id: bigint; type: string; data: string }): Promise<void> {
    return this.write(`id: ${event.id}\nevent: ${event.type}\ndata: ${event.data}\n\n`);
  }

  /** Tells a follower who has nothing to hear that it is still heard, and from where it would go on. */
  beat(id: bigint | undefined): Promise<void> {
    // An event without data moves the browser's last event id and calls nobody.
    return this.write(id === undefined ? ': heartbeat\n\n' : `: heartbeat\nid: ${id}\n\n`);
  }

  end(): void {
    this.response.end();
  }

  private async write(text: string): Promise<void> {
    if (this.gone.signal.aborted || this.response.write(text)) return;
    const late = setTimeout(() => this.response.destroy(), this.patienceMs);
    try {
      await once(this.response, 'drain', { signal: this.gone.signal });
    } catch {
      // Gone: whoever writes sees it by `signal`.
    } finally {
      clearTimeout(late);
    }
  }
}
