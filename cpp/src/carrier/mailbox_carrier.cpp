#include "carrier/mailbox_carrier.h"

namespace tr::carrier {

void MailboxCarrier::publish(const std::string& request) {
    if (mailbox_->send(request)) return;
    files_->publish(request);
    mailbox_->send({});
}

std::optional<std::string> MailboxCarrier::take() {
    auto message = mailbox_->receive();
    by_file_ = message && message->empty();
    return by_file_ ? files_->take() : message;
}

void MailboxCarrier::acknowledge() {
    if (by_file_) files_->acknowledge();
    mailbox_->acknowledge();
}

}  // namespace tr::carrier
