// What a test gives to those who need cleaning up, for programs that are no tests.

export class Ending {
  #actions = [];

  /** @param {string} name as a test has one */
  constructor(name) {
    this.name = name;
  }

  after(action) {
    this.#actions.unshift(action);
  }

  async end() {
    for (const action of this.#actions) await action();
  }
}
