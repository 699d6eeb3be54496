/** The time a use case acts at. Below the roof nobody else asks for it, so that tests can choose it. */
export abstract class Clock {
  abstract now(): Date;
}

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}

/** A clock that stands still until it is moved. */
export class FixedClock extends Clock {
  private time: Date;

  constructor(time: Date) {
    super();
    this.time = time;
  }

  now(): Date {
    return new Date(this.time);
  }

  moveTo(time: Date): void {
    this.time = time;
  }
}
