// modbus-serial asks a device for all that it can, and prints what came of it as one line of JSON.
//
//     node modbus_peer.js tcp|rtu HOST
//
// What it was refused is {refused: CODE}; {failed: WHY} is all else that went wrong.
"use strict";

const ModbusRTU = require("modbus-serial");

const [kind, host] = process.argv.slice(2);
const REGISTERS = 10;

async function connected(work) {
  const client = new ModbusRTU();
  client.setTimeout(5000);
  if (kind === "tcp") {
    await client.connectTCP(host, { port: 502 });
  } else {
    await client.connectTelnet(host, { port: 502 }); // RTU frames, whatever the name says
  }
  client.setID(1);
  try {
    return await work(client);
  } finally {
    await new Promise((resolve) => client.close(resolve));
  }
}

async function outcome(promise, pick) {
  try {
    return pick(await promise);
  } catch (trouble) {
    return trouble.modbusCode ? { refused: trouble.modbusCode } : { failed: trouble.message };
  }
}

const done = () => 0;
const data = (answer) => answer.data;

async function look(client) {
  const seen = {};
  seen.registers = await outcome(client.readHoldingRegisters(0, REGISTERS), data);
  seen.inputs = await outcome(client.readInputRegisters(0, REGISTERS), data);
  seen.coils = [
    await outcome(client.writeCoils(8, [true, false, true]), done),
    await outcome(client.writeCoil(9, true), done),
    await outcome(client.readCoils(0, 16), data),
  ];
  seen.discrete = await outcome(client.readDiscreteInputs(0, 16), data);
  seen.setpoint = [
    await outcome(client.writeRegister(100, 642), done),
    await outcome(client.readHoldingRegisters(100, 1), data),
    await outcome(client.writeRegisters(100, [643]), done),
    await outcome(client.readHoldingRegisters(100, 1), data),
  ];
  return seen;
}

async function refused(client) {
  return {
    beyond: await outcome(client.readHoldingRegisters(0, REGISTERS + 1), data),
    "read-only": await outcome(client.writeRegister(2, 655), done),
    "partly read-only": await outcome(client.writeRegisters(99, [655, 655]), done),
    "out of bounds": await outcome(client.writeRegister(100, 1), done),
    "coils beyond": await outcome(client.writeCoils(15, [true, true]), done),
    afterwards: await outcome(client.readHoldingRegisters(100, 1), data),
  };
}

async function identity(client) {
  return {
    basic: await outcome(client.readDeviceIdentification(1, 0), data),
    one: await outcome(client.readDeviceIdentification(4, 2), data),
    unknown: await outcome(client.readDeviceIdentification(4, 9), data),
  };
}

// The client tells answers by their transaction: whichever comes must be that to its request.
async function atOnce(client, number) {
  const asked = [];
  for (let place = 0; place < number; place += 1) {
    const count = 1 + (place % REGISTERS);
    asked.push(outcome(client.readHoldingRegisters(0, count), (answer) => answer.data.length));
  }
  return Promise.all(asked);
}

async function units() {
  const found = {};
  for (const unit of [0, 1, 255, 7]) {
    found[unit] = await connected(async (client) => {
      client.setID(unit);
      return outcome(client.readHoldingRegisters(100, 1), data);
    });
  }
  return found;
}

async function main() {
  const found = await connected(async (client) => ({
    seen: await look(client),
    refused: await refused(client),
    // Its port for RTU frames knows of no answer to function 43.
    identity: kind === "tcp" ? await identity(client) : null,
    "at once": kind === "tcp" ? [await atOnce(client, 2), await atOnce(client, 40)] : [],
  }));
  found.units = kind === "tcp" ? await units() : {};
  console.log(JSON.stringify(found));
}

main().catch((trouble) => {
  console.error(trouble);
  process.exit(1);
});
