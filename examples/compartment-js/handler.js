// A function that does not trust a part of itself: `slug` runs in a compartment, with 8 MB, a bounded
// amount of work, and nothing of this function but what it is called with.
'use strict';
const { compartment } = require('tfaas:isolation');

const slug = compartment({ module: './untrusted/slug', memory: '8MB', work: 5e7 });

module.exports = async (event) => {
    try {
        return { slug: slug.call('', String(event.body)) };
    } catch (error) {
        return { refused: error.code, why: error.message };
    }
};
