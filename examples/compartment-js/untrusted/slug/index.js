// What a stranger wrote. It looks for more than it should: here there is nothing to find.
'use strict';

module.exports = (text) => {
    if (text === 'loop') for (;;);
    const stolen = Object.keys(process.env).length;
    return text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') + (stolen ? `-${stolen}` : '');
};
