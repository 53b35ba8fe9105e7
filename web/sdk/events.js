// The words for states, and who is told when they change; knows nothing of what has the state.

/** The states of sessions and streams. */
export const STATE = Object.freeze({
  /** Under way: a node is being asked, or the first picture is on its way. */
  PENDING: 'PENDING',
  /** Session: the WebSocket is open. */
  CONNECTED: 'CONNECTED',
  /** Session: the node has greeted us; streams can start. */
  ESTABLISHED: 'ESTABLISHED',
  /** Stream: our picture reaches the node. */
  PUBLISHING: 'PUBLISHING',
  /** Stream: the picture is here. */
  PLAYING: 'PLAYING',
  /** Stream: nobody publishes; it starts by itself when somebody does. */
  WAITING: 'WAITING',
  /** Stream: ended by us. */
  STOPPED: 'STOPPED',
  /** Ended by an error that trying again would not mend. */
  FAILED: 'FAILED',
  /** Session: no node; unless we closed it, it connects again by itself. */
  DISCONNECTED: 'DISCONNECTED',
});

/** @typedef {keyof typeof STATE} State */

/** @typedef {(...details: any[]) => void} Handler */

export class Emitter {
  /** @type {Map<string, Set<Handler>>} */
  #handlers = new Map();

  /**
   * @param {string} event
   * @param {Handler} handler
   */
  on(event, handler) {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return this;
  }

  /**
   * @param {string} event
   * @param {Handler} handler
   */
  off(event, handler) {
    this.#handlers.get(event)?.delete(handler);
    return this;
  }

  /**
   * @param {string} event
   * @param {...any} details
   */
  emit(event, ...details) {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        handler(...details);
      } catch (error) {
        // A mistake in somebody's handler is shown on the console and must not stop the media.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Something with a state, which tells when it changes. */
export class Stateful extends Emitter {
  /** @type {State} */
  #state = STATE.PENDING;

  get state() {
    return this.#state;
  }

  /**
   * Emits `state` and an event named as the state itself.
   * @param {State} state
   */
  enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('state', state, this);
    this.emit(state, this);
  }
}
