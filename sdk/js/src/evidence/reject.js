// reject.js - why evidence is refused. Appraisal turns a Rejection into the verdict "reject".

export class Rejection extends Error {}
export const reject = (why) => new Rejection(why);
