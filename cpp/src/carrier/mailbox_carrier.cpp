#include "carrier/mailbox_carrier.h"

namespace tr::carrier {

void MailboxCarrier::publish(const std::string& request) {
    if (mailbox_->send(request)) return;
    files_->publish(request);
    mailbox_->send({});
}

std::optional<std::string> MailboxCarrier::take() {
    auto message = mailbox_->receive();
    if (message && message->empty()) return files_->take();
    return message;
}

}  // namespace tr::carrier
