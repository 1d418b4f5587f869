// One end of a talk by noise-c.wasm; ../README.md tells what is said.
//
//     node noise.js ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS
//
// NODE_PATH holds the package. It knows XX only: its XXpsk3 is of an older draft.
'use strict';

const fs = require('fs');

// How the program ends: what check.py looks at.
const WRONG = 1, USAGE = 2, REFUSED = 3, GONE = 4;

function end(status, what, where) {
    fs.writeSync(2, `${what}: ${where}\n`);
    process.exit(status);
}

function readFully(n) {
    const out = Buffer.alloc(n);
    for (let have = 0; have < n;) {
        const got = fs.readSync(0, out, have, n - have, null);
        if (got === 0) {
            end(GONE, 'gone', 'reading');
        }
        have += got;
    }
    return out;
}

function receive() {
    return readFully(readFully(2).readUInt16LE(0));
}

function send(message) {
    const out = Buffer.alloc(2 + message.length);
    out.writeUInt16LE(message.length, 0);
    out.set(message, 2);
    try {
        fs.writeSync(1, out);
    } catch (error) {
        end(GONE, 'gone', error.message);
    }
}

function compare(got, want, where) {
    if (Buffer.compare(Buffer.from(got), Buffer.from(want)) !== 0) {
        end(WRONG, 'wrong', where);
    }
}

// n bytes that count up from first.
function pattern(n, first) {
    return Uint8Array.from({length: n}, (_, i) => i + first);
}

// What fails authentication; every other error is a mistake here.
function opened(where, open) {
    try {
        return open();
    } catch (error) {
        return error.message === 'NOISE_ERROR_MAC_FAILURE' ? end(REFUSED, 'refused', where)
                                                          : end(WRONG, where, error.message);
    }
}

function talk(noise, [role, protocol, secret, peer, prologue, , lengths]) {
    const initiator = role === 'initiator';
    const state = noise.HandshakeState(protocol,
        initiator ? noise.constants.NOISE_ROLE_INITIATOR : noise.constants.NOISE_ROLE_RESPONDER);
    state.Initialize(Buffer.from(prologue, 'hex'), Buffer.from(secret, 'hex'));

    lengths.split(',').map(Number).forEach((n, k) => {
        const payload = pattern(n, k);
        const where = `message ${k}`;
        if ((k % 2 === 0) === initiator) {
            send(state.WriteMessage(payload));
        } else {
            const message = receive();
            compare(opened(where, () => state.ReadMessage(message, true)), payload, where);
        }
    });
    compare(state.GetRemotePublicKey(), Buffer.from(peer, 'hex'), "the peer's key");

    const texts = [state.GetHandshakeHash(), new Uint8Array(0), pattern(1000, 0)];
    const [sends, receives] = state.Split();
    const nothing = new Uint8Array(0);
    for (const text of texts) {
        for (const ours of [initiator, !initiator]) {
            if (ours) {
                send(sends.EncryptWithAd(nothing, text));
            } else {
                const message = receive();
                compare(opened('transport', () => receives.DecryptWithAd(nothing, message)), text,
                    'transport');
            }
        }
    }
}

if (process.argv.length !== 9) {
    end(USAGE, 'usage', 'noise.js ROLE PROTOCOL SECRET PEER PROLOGUE PSK LENGTHS');
}
// The package says on the console how it loads WebAssembly: not on the output, which is the talk.
console.log = console.error;
require('noise-c.wasm')((noise) => {
    try {
        talk(noise, process.argv.slice(2));
        process.exit(0);
    } catch (error) {
        end(WRONG, 'wrong', error.stack);
    }
});
